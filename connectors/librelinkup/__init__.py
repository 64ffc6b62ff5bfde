"""`librelinkup`: readings of people who share them with a follower in LibreLinkUp."""
