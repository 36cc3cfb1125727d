"""What is kept, where, and how keeping it fails: the only package that speaks Redis or SQL."""
