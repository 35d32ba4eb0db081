"""Misuse: rules about how accounts are used, for a list that people review. Never a score or a rank of a child.

`facts` is what the rules know; `relations` looks at one access at a time, `patterns` at many; `review` puts them
together. All pure: the same accesses and facts give the same findings.
"""
