"""The course as a site: pages made from READMEs, lesson files, committed results and figures; Sphinx sets them."""
