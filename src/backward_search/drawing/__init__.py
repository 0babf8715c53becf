"""What the figures look like; nothing here searches."""
