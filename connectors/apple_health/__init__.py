"""`apple_health_reader`: exports of Apple Health of any size, as messages of a few thousand samples."""
