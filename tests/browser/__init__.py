"""Tests in a real browser: JupyterLab and voila, driven through headless Chromium."""
