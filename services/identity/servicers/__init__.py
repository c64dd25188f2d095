"""Identity's RPCs, by noun: read the request, make the change or the read, render the answer."""
