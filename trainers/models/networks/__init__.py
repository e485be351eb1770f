"""The networks themselves: classes of torch, imported when one is built; a description in the folder above names each."""
