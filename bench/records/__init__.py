"""What lies in a study's folder: records, the manifest, locks and files. Every other package may import it."""
