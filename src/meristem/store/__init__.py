"""The one record: studies, trials, measurements, events in SQL; big bytes in blobs."""
