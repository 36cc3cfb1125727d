"""Queries of the dashboard, in PromQL."""

JOB = 'job="$job"'  # the service that the reader chose
RANGE = "$__rate_interval"  # Grafana's own window for rates


def service_rate(metric: str) -> str:
    """Return the rate of a counter that every instance exports equally, one series per shard."""
    return f"sum(max by (shard) (rate({metric}{{{JOB}}}[{RANGE}])))"


def rate(metric: str, by: str = "", only: str = "") -> str:
    """Return the rate of a counter that each instance counts for itself."""
    labels = f"{JOB}, {only}" if only else JOB
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}}}[{RANGE}]))"


def gauge(metric: str, by: str = "") -> str:
    """Return a gauge that every instance exports equally."""
    return f"max{f' by ({by})' if by else ''} ({metric}{{{JOB}}})"


def quantile(share: float, histogram: str, only: str = "") -> str:
    """Return a quantile of a histogram over all instances."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', 'le', only)})"


def mean(histogram: str, by: str = "") -> str:
    """Return the mean of a histogram over all instances."""
    return f"{rate(f'{histogram}_sum', by)} / {rate(f'{histogram}_count', by)}"


def quantiles(histogram: str, only: str = "") -> list[tuple[str, str]]:
    """Return the queries of the median and of the 99th percentile."""
    return [(quantile(0.5, histogram, only), "p50"), (quantile(0.99, histogram, only), "p99")]
