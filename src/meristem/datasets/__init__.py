<<<<<<< HEAD
"""Versions of data: made, kept, compared, copied, and known by whom they were made and read."""
=======
"""Dataset versions: data that is never lost and never sent twice."""
>>>>>>> wt-fg
