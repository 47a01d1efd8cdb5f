"""The local web viewer: who may ask (guard, hosts, peers), where it listens, how it is run (serve)."""
