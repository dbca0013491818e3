"""Radiomics: likeness to the target scanner, and the outcome of patients."""
