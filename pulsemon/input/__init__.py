"""What may be said to PulseMon, by whatever way it comes: JSON, a form, the command line. No web here, and no SQL."""
