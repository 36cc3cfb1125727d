"""`python -m api`: one API process. `activity api` keeps several of them going."""

from api.process import main

main()
