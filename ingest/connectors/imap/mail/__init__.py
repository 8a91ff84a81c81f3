"""Mails as documents: what is known of them, their threads, and the bytes of their parts."""
