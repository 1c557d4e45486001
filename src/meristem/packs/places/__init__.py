"""Where packs lie: one file for each kind of place."""
