"""The tooling of the course: build notebooks, check answers, grade submissions.

Subject modules never import this package. Notebooks import only `checks`.
"""
