"""Pages as text: templates, words, drawings."""
