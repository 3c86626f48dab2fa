# libflatstream-json: JSON and .fbs parsing through Google's libflatbuffers, kept out of the core
# library so that this one stays free of C++.
