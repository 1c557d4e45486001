"""Dataset versions: data that is never lost and never sent twice."""
