"""What stands between the network and the pages: assets, protection, counters, streams."""
