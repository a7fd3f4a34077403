from rest_framework.authentication import SessionAuthentication


class CsrfProtection(SessionAuthentication):
    """Nobody signs in, yet another site must not write in a visitor's name: every unsafe request needs the token.

    REST framework itself checks the token for signed-in users only.
    """

    def authenticate(self, request):
        self.enforce_csrf(request)
