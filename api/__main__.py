"""`python -m api` runs one API process. `activity api` keeps several of them running."""

from api.process import main

main()
