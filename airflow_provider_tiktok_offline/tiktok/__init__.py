"""TikTok's Business API: client, return codes, upload, OAuth, event sets, reports."""
