"""Linear inverse scattering: permittivity contrast from scattered fields (first Born)."""
