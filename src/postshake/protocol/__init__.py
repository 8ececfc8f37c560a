"""The conversations: what is said in which order, and what each word proves."""
