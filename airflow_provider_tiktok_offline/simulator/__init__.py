"""TikTok's Business API on 127.0.0.1, for the demo, the tests and a dry run of a whole deployment.

Built from the reference alone: it shares no list, check or hash with the rest of the package, so that a mistake
in one shows in the other.
"""
