"""The explorer: what its page knows (`state`, `runs`, `engine`, `uploads`) and the page itself, which needs Gradio."""
