"""The bodies of signing in, for the OpenAPI document and for answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

MAX_KEY = 200  # characters


class SignInBody(BaseModel):
    """The key that is traded for a session."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=MAX_KEY, description="A whole API key, as `act_...`.")


class SessionKey(BaseModel):
    """The key that a client has, without its secret."""

    id: str
    name: str
    scopes: list[str]
    components: list[str] = Field(description="To which it is limited; empty: to none.")
    environments: list[str] = Field(description="To which it is limited; empty: to none.")
    events_per_second: int | None = Field(description="That it may post; null: without limit.")
    events_per_day: int | None = Field(description="That it may post; null: without limit.")


class SessionAnswer(BaseModel):
    """Who asks, and what they may do."""

    needs_key: bool = Field(description="false: everyone is let in, and nobody signs in.")
    key: SessionKey | None = Field(None, description="null: no valid key and no session was sent.")
    is_session: bool = Field(
        False, description="Whether the key was traded for a session, which can be ended."
    )
    until: datetime | None = Field(
        None, description="When the session or the key ends; null: never, or there is none."
    )
