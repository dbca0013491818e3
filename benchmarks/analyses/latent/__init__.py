"""Do two scanners meet in the latent space?"""
