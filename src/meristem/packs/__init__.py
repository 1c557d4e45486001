"""Content-addressed objects: chunks cut from files, packs of them, the places where packs lie, the local index.

An object is bytes named by their blake3 hash. A pack is one immutable file of many objects. What a
place holds can be read without anything else: a pack carries its own index. Which packs count is
not known here, nor what the objects mean.
"""
