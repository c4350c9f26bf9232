"""Outside judges of whole trainings: specs are drawn, trained by others, and every epoch is compared.

Nothing here imports the engine: what a document means is read off the contract a second time.
"""
