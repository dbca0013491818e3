"""What a suite can ask for beyond the scores of single images: a room a kind, one face, one list.

Adding a kind is one file here that makes an :class:`benchmarks.analyses.base.Analysis`, and one line in
:mod:`benchmarks.analyses.registry`. Nothing here imports torch, Lightning or zoo: what is measured is handed in.
"""
