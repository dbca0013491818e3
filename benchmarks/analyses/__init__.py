"""What a suite can ask for beyond the scores of single images."""
