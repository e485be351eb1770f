"""Networks whose weights others have released."""
