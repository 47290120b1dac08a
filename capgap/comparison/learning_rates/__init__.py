"""Does the best learning rate stay the same as models grow?"""
