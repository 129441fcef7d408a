"""What a reader is served: each read's own DICOMweb root, with everything taken out that tells of patient or arm.

For other parts of Overread:

    links.viewer_url(read) -> str           the viewer on the images and findings of one read
    preparation.prepare(read) -> Prepared   what the read shows, made ahead of its first opening
"""
