"""What two stages share."""
