"""What a user writes: the project file, read with the file and line of every value.

`model` holds the project as the rest of the code sees it, `loader` reads it, `schema` describes it for editors.
"""
