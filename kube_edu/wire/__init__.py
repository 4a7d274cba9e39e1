"""Framing that several parts share: HTTP over real sockets, protocol buffers."""
