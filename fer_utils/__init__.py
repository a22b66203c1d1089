"""Small convolutional networks for facial expressions, and the report about them."""
