"""What a method costs: by itself, and in the cell that trains it."""
