"""Linear filters of batches of images, the building blocks of many corruptions."""
