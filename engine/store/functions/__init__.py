"""What Redis itself runs."""
