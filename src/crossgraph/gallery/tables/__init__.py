"""What a gallery keeps: Lance tables, and a moment of them in memory."""
