"""Meta's Cloud API: codes, decode, encode and signature are pure; `client` is the only module on the net."""
