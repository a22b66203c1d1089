"""Small convolutional nets on facial expressions: data, models, training, and the report about them."""
