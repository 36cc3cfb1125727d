"""Build both images and run compose.yaml in a real Docker Engine: `make test-containers`."""
