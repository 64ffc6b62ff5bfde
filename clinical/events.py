"""x"""
UNMAPPED = "unmapped"
