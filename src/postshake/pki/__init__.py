"""Who the peer is, who we are: credentials, trust, names and the choice among them."""
