"""Who did and saw what, when, from where, for which study: numbered, chained by hashes, only ever added to."""
