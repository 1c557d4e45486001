"""What a study found, explained: one analysis a file, each a study in and a card out; and all of them as a report."""
