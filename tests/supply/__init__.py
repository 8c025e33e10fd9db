"""What this project is made of that others wrote, and what that may do."""
