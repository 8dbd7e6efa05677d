"""What every room stands on: settings, errors, ids, time, logging, safe outbound HTTP. Knows no other room."""
